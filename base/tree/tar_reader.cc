#include "base/tree/tar_reader.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"

namespace ember::tree {
namespace {

constexpr char kPax = 'x';
constexpr char kGlobalPax = 'g';
constexpr char kGnuLongName = 'L';
constexpr char kGnuLongTarget = 'K';
constexpr std::string_view kEntryTypes(
    "0123456\0"
    "7",
    9);
// Sums of sizes must not overflow.
constexpr uint64_t kMaxSize = std::numeric_limits<int64_t>::max() / 4;

bool IsExtended(char type) {
  return type == kPax || type == kGlobalPax || type == kGnuLongName || type == kGnuLongTarget;
}

bool IsEmpty(std::string_view block) {
  return std::all_of(block.begin(), block.end(), [](char byte) { return byte == 0; });
}

}  // namespace

absl::Status TarReader::Append(std::string_view bytes) {
  while (phase_ != Phase::kOver && !bytes.empty()) RETURN_IF_ERROR(Step(bytes));
  return absl::OkStatus();
}

absl::Status TarReader::Finish() const {
  const bool between = phase_ == Phase::kHeader && (gathered_.empty() || gathered_taken_) &&
                       !continuing_ && !extended_;
  if (phase_ == Phase::kOver ? continuing_ : !between) {
    return InvalidArgument("the tar stream is cut off");
  }
  return absl::OkStatus();
}

absl::Status TarReader::Step(std::string_view& bytes) {
  switch (phase_) {
    case Phase::kHeader:
      if (const auto block = Gather(bytes, kBlock); !block.empty()) return OnHeader(block);
      return absl::OkStatus();
    case Phase::kExtended: {
      const size_t padded = extended_size_ + PaddingOf(extended_size_);
      const auto body = Gather(bytes, padded);
      return body.empty() ? absl::OkStatus() : OnExtended(body.substr(0, extended_size_));
    }
    case Phase::kSparseMap:
      if (const auto block = Gather(bytes, kBlock); !block.empty()) return OnSparseMap(block);
      return absl::OkStatus();
    case Phase::kContent:
      return OnContent(bytes);
    case Phase::kPadding: {
      const size_t count = std::min(padding_, bytes.size());
      bytes.remove_prefix(count);
      padding_ -= count;
      if (padding_ == 0) phase_ = Phase::kHeader;
      return absl::OkStatus();
    }
    case Phase::kOver:
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

std::string_view TarReader::Gather(std::string_view& bytes, size_t size) {
  if (std::exchange(gathered_taken_, false)) gathered_.clear();
  if (gathered_.empty() && bytes.size() >= size) {
    const std::string_view whole = bytes.substr(0, size);
    bytes.remove_prefix(size);
    return whole;
  }
  const size_t count = std::min(size - gathered_.size(), bytes.size());
  gathered_ += bytes.substr(0, count);
  bytes.remove_prefix(count);
  if (gathered_.size() < size) return {};
  gathered_taken_ = true;
  return gathered_;
}

absl::Status TarReader::OnHeader(std::string_view block) {
  if (IsEmpty(block)) {
    gathered_.clear();
    phase_ = Phase::kOver;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(TarHeader header, ParseTarHeader(block));
  if (header.stored_size > kMaxSize) return InvalidArgument("a size in a tar header is too large");
  if (IsExtended(header.type)) return BeginExtended(header);
  if (kEntryTypes.find(header.type) == std::string_view::npos) {
    return WithHint(InvalidArgument("{}: tar entries of type '{}' are not known here",
                                    header.entry.name, header.type),
                    "make the archive with 'tar --format=posix'");
  }
  return BeginEntry(std::move(header));
}

absl::Status TarReader::BeginExtended(const TarHeader& header) {
  if (header.stored_size > kMaxExtended) {
    return InvalidArgument("an extended tar header is larger than 1 MiB");
  }
  if (header.stored_size == 0) return absl::OkStatus();
  extended_type_ = header.type;
  extended_size_ = header.stored_size;
  phase_ = Phase::kExtended;
  return absl::OkStatus();
}

absl::Status TarReader::OnExtended(std::string_view body) {
  phase_ = Phase::kHeader;
  extended_ = extended_ || extended_type_ != kGlobalPax;
  const std::string_view text = body.substr(0, body.find('\0'));
  switch (extended_type_) {
    case kPax:
      return ReadPaxRecords(body, pax_);
    case kGnuLongName:
      pax_.name = text;
      return absl::OkStatus();
    case kGnuLongTarget:
      pax_.target = text;
      return absl::OkStatus();
    default:
      return absl::OkStatus();  // defaults of a whole archive: comments, mostly
  }
}

void TarReader::ApplyPax(TarHeader& header) {
  Entry& entry = header.entry;
  if (pax_.name.has_value()) entry.name = *std::move(pax_.name);
  if (pax_.target.has_value()) entry.target = *std::move(pax_.target);
  entry.uid = pax_.uid.value_or(entry.uid);
  entry.gid = pax_.gid.value_or(entry.gid);
  entry.modified = pax_.modified.value_or(entry.modified);
  entry.continued = pax_.continued;
  header.stored_size = pax_.size.value_or(header.stored_size);
  entry.size = pax_.sparse ? pax_.sparse_size.value_or(0) : header.stored_size;
}

absl::Status TarReader::BeginEntry(TarHeader header) {
  ApplyPax(header);
  const bool sparse = pax_.sparse;
  pax_ = PaxValues();
  extended_ = false;
  const bool file = header.entry.kind == EntryKind::kFile;
  if (header.stored_size > kMaxSize || header.entry.size > kMaxSize) {
    return InvalidArgument("{}: its size is too large", header.entry.name);
  }
  if (!file && (header.stored_size > 0 || header.entry.continued || sparse)) {
    return InvalidArgument("{}: only a file can have content", header.entry.name);
  }
  if (continuing_ && (!file || sparse || header.entry.name != entry_.name)) {
    return InvalidArgument("{}: the rest of its content is missing", entry_.name);
  }
  if (sparse && header.entry.continued) {
    return InvalidArgument("{}: a sparse file can't be continued", header.entry.name);
  }
  entry_ = std::move(header.entry);
  stored_size_ = header.stored_size;
  if (!sparse) {
    extents_ = {{0, stored_size_}};
    return Announce();
  }
  phase_ = Phase::kSparseMap;
  return absl::OkStatus();
}

absl::Status TarReader::OnSparseMap(std::string_view block) {
  ASSIGN_OR_RETURN(const bool complete, map_.Add(block));
  if (map_.size() > stored_size_) {
    return InvalidArgument("{}: its sparse map is longer than the entry", entry_.name);
  }
  if (!complete) return absl::OkStatus();
  stored_size_ -= map_.size();
  ASSIGN_OR_RETURN(extents_, map_.Take(entry_.size, stored_size_));
  return Announce();
}

// Tells the receiver of the entry, unless this is a further part of one that it knows.
absl::Status TarReader::Announce() {
  if (!std::exchange(continuing_, entry_.continued)) {
    base_ = 0;
    RETURN_IF_ERROR(receiver_.OnEntry(entry_));
  }
  extent_ = 0;
  extent_done_ = 0;
  padding_ = PaddingOf(stored_size_);
  phase_ = Phase::kContent;
  return stored_size_ == 0 ? EndContent() : absl::OkStatus();
}

absl::Status TarReader::OnContent(std::string_view& bytes) {
  const Extent& extent = extents_[extent_];
  const size_t count = std::min<uint64_t>(extent.size - extent_done_, bytes.size());
  RETURN_IF_ERROR(
      receiver_.OnContent(base_ + extent.offset + extent_done_, bytes.substr(0, count)));
  bytes.remove_prefix(count);
  extent_done_ += count;
  if (extent_done_ < extent.size) return absl::OkStatus();
  extent_done_ = 0;
  return ++extent_ == extents_.size() ? EndContent() : absl::OkStatus();
}

absl::Status TarReader::EndContent() {
  phase_ = padding_ > 0 ? Phase::kPadding : Phase::kHeader;
  base_ += entry_.size;
  if (base_ > kMaxSize) return InvalidArgument("{}: its size is too large", entry_.name);
  return continuing_ ? absl::OkStatus() : receiver_.OnEntryEnd(base_);
}

}  // namespace ember::tree
