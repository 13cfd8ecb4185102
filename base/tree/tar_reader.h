#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/tree/entry.h"
#include "base/tree/sparse_map.h"
#include "base/tree/tar_header.h"

namespace ember::tree {

// What the entries of a stream are for. An error ends the stream.
class EntryReceiver {
 public:
  virtual ~EntryReceiver() = default;
  // An entry begins. Nothing in it has been checked beyond its form.
  virtual absl::Status OnEntry(const Entry& entry) = 0;
  // Content of the entry, which is a file, at `offset`: ascending, holes are left out.
  virtual absl::Status OnContent(uint64_t offset, std::string_view bytes) = 0;
  // All of its content was there; the file ends at `size`.
  virtual absl::Status OnEntryEnd(uint64_t size) = 0;
};

// Reads a tar stream (POSIX pax, ustar and GNU's long names; sparse files as GNU.sparse 1.0) in any
// cut. Holds one header at a time, at most about 2 MiB. Content is handed on without a copy. Not
// thread-safe.
class TarReader {
 public:
  explicit TarReader(EntryReceiver& receiver) : receiver_(receiver) {}

  // The next bytes. After an error the reader is of no more use.
  absl::Status Append(std::string_view bytes);
  // The stream has ended: InvalidArgument within an entry.
  absl::Status Finish() const;

 private:
  enum class Phase { kHeader, kExtended, kSparseMap, kContent, kPadding, kOver };

  absl::Status Step(std::string_view& bytes);
  // Gathers `size` bytes. Nothing until they are there; the view lives until the next call.
  std::string_view Gather(std::string_view& bytes, size_t size);
  absl::Status OnHeader(std::string_view block);
  absl::Status BeginExtended(const TarHeader& header);
  absl::Status OnExtended(std::string_view body);
  absl::Status BeginEntry(TarHeader header);
  void ApplyPax(TarHeader& header);
  absl::Status Announce();
  absl::Status OnSparseMap(std::string_view block);
  absl::Status OnContent(std::string_view& bytes);
  absl::Status EndContent();

  EntryReceiver& receiver_;
  Phase phase_ = Phase::kHeader;
  std::string gathered_;
  bool gathered_taken_ = false;

  char extended_type_ = 0;
  uint64_t extended_size_ = 0;
  PaxValues pax_;
  bool extended_ = false;  // there are such values, for an entry that is to come

  Entry entry_;
  bool continuing_ = false;  // the next entry goes on with the last one's content
  uint64_t base_ = 0;        // where the content of this part begins in the file
  SparseMapReader map_;
  std::vector<Extent> extents_;  // of this part that are still to come, in order
  size_t extent_ = 0;
  uint64_t extent_done_ = 0;
  uint64_t stored_size_ = 0;  // of the part
  size_t padding_ = 0;
};

}  // namespace ember::tree
