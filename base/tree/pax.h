#pragma once

#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/tree/entry.h"

// The records of pax extended headers (POSIX.1-2017, pax, "pax Extended Header"): each is
// "LENGTH KEY=VALUE\n", where LENGTH counts itself and the line end.
namespace ember::tree {

void AppendPaxRecord(std::string_view key, std::string_view value, std::string& out);

// Hands each record to `take`, whose error ends it. InvalidArgument for what is no sequence of
// records.
absl::Status ForEachPaxRecord(
    std::string_view body,
    absl::FunctionRef<absl::Status(std::string_view key, std::string_view value)> take);

// A decimal number without sign, all of `text`. InvalidArgument for anything else, and for what
// does not fit into 63 bits.
absl::StatusOr<uint64_t> ParseDecimal(std::string_view text);

// "SECONDS" or "SECONDS.FRACTION", both with '-' before 1970. More than nine digits of the fraction
// are cut.
absl::StatusOr<FileTime> ParsePaxTime(std::string_view text);
std::string PaxTimeText(const FileTime& time);

}  // namespace ember::tree
