#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "backends/images/progress.h"
#include "base/cancellation.h"

namespace ember::images {

// A file of the web (http or https), and how patient to be with its server.
struct Download {
  std::string url;
  std::filesystem::path target;  // made or overwritten; not durable
  uint64_t max_bytes = 0;
  absl::Duration connect_limit = absl::Seconds(15);
  absl::Duration stall_limit = absl::Seconds(30);  // without a byte; whole seconds
  int attempts = 5;
  absl::Duration pause = absl::Seconds(1);  // before the second attempt; doubled each time
};

// Whether `text` is an address that DownloadFile takes.
bool IsUrl(std::string_view text);

// The address as it may be shown and kept: without what may be secret in it (user, password,
// query).
std::string ShownUrl(const std::string& url);

// Downloads one file with libcurl: follows up to five redirects (never from https to http), checks
// TLS certificates, heeds the usual proxy variables. A transfer that breaks off, stands still or
// meets a server that is busy is tried again, from where it stopped if the file on the server is
// still the same (RFC 9110, If-Range). Errors name the address: NotFound, PermissionDenied (also of
// a bad certificate), ResourceExhausted (too large, a full disk), DeadlineExceeded (stood still),
// Unavailable. After a failure `target` is incomplete. Blocks within `cancellation`.
absl::Status DownloadFile(const Download& download, const ProgressSink& sink,
                          const Cancellation& cancellation);

}  // namespace ember::images
