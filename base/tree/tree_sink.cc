#include "base/tree/tree_sink.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <span>
#include <utility>

#include "base/status.h"
#include "base/status_macros.h"
#include "base/tree/entry_name.h"

namespace ember::tree {
namespace {

constexpr mode_t kSetIdBits = 06000;

std::string JoinName(std::span<const std::string_view> components) {
  std::string name;
  for (const std::string_view component : components) {
    if (!name.empty()) name += '/';
    name += component;
  }
  return name;
}

mode_t NodeTypeOf(EntryKind kind) {
  if (kind == EntryKind::kFifo) return S_IFIFO;
  return kind == EntryKind::kCharDevice ? S_IFCHR : S_IFBLK;
}

std::span<const std::string_view> ParentOf(const std::vector<std::string_view>& components) {
  return std::span(components).first(components.size() - 1);
}

}  // namespace

TreeSink::TreeSink(Destination destination, SinkOptions options)
    : options_(options),
      top_(std::move(destination.top)),
      directory_only_(destination.directory_only),
      directories_(std::move(destination.root)),
      reader_(*this) {}

absl::StatusOr<TreeSummary> TreeSink::Finish() {
  RETURN_IF_ERROR(reader_.Finish());
  RETURN_IF_ERROR(directories_.LeaveAll());
  if (!top_.empty() && streamed_top_.empty()) return InvalidArgument("the tar stream is empty");
  return std::move(summary_);
}

absl::Status TreeSink::OnEntry(const Entry& entry) {
  ASSIGN_OR_RETURN(auto components, SplitName(entry.name));
  RETURN_IF_ERROR(PlaceUnderTop(entry, components));
  if (components.empty()) {
    if (entry.kind == EntryKind::kDirectory) return absl::OkStatus();  // the root is the caller's
    return InvalidArgument("{}: a file can't take the place of the folder", entry.name);
  }
  name_ = JoinName(components);
  leaf_ = components.back();
  ASSIGN_OR_RETURN(attributes_, AttributesOf(entry));
  ++summary_.files;
  return Annotate(Make(entry, components), name_);
}

absl::Status TreeSink::PlaceUnderTop(const Entry& entry,
                                     std::vector<std::string_view>& components) {
  if (top_.empty()) return absl::OkStatus();
  if (components.empty()) return InvalidArgument("{}: one named entry was to come", entry.name);
  if (streamed_top_.empty()) {
    streamed_top_ = components[0];
    if (directory_only_ && components.size() == 1 && entry.kind != EntryKind::kDirectory) {
      return NotFound("{}/: no such directory", top_);
    }
  }
  if (components[0] != streamed_top_) {
    return InvalidArgument("{}: only '{}' was to come", entry.name, streamed_top_);
  }
  components[0] = top_;
  return absl::OkStatus();
}

absl::StatusOr<Attributes> TreeSink::AttributesOf(const Entry& entry) const {
  Attributes attributes;
  attributes.mode = entry.mode;
  attributes.modified = entry.modified;
  if (!options_.keep_owner) {
    attributes.mode &= ~kSetIdBits;
    return attributes;
  }
  // The largest number means "leave it" to chown(2).
  constexpr uint64_t kMaxId = std::numeric_limits<uint32_t>::max() - 1;
  if (entry.uid > kMaxId || entry.gid > kMaxId) {
    return InvalidArgument("{}: its owner's number is too large", entry.name);
  }
  attributes.owner = {static_cast<uid_t>(entry.uid), static_cast<gid_t>(entry.gid)};
  return attributes;
}

absl::Status TreeSink::Make(const Entry& entry, const std::vector<std::string_view>& components) {
  if (entry.kind == EntryKind::kDirectory) return directories_.Make(components, attributes_);
  if (entry.kind == EntryKind::kHardLink) return MakeHardLink(entry, components);
  ASSIGN_OR_RETURN(const int directory, directories_.Enter(ParentOf(components)));
  switch (entry.kind) {
    case EntryKind::kFile:
      return BeginFile(directory);
    case EntryKind::kSymlink:
      return MakeSymlink(entry, directory);
    default:
      return MakeNode(entry, directory);
  }
}

absl::Status TreeSink::BeginFile(int directory) {
  ASSIGN_OR_RETURN(PartialFile file, PartialFile::Create(directory, temporary_names_));
  file_.emplace(std::move(file));
  return absl::OkStatus();
}

absl::Status TreeSink::OnContent(uint64_t offset, std::string_view bytes) {
  summary_.bytes += bytes.size();
  return Annotate(file_->WriteAt(offset, bytes), name_);
}

absl::Status TreeSink::OnEntryEnd(uint64_t size) {
  if (!file_.has_value()) return absl::OkStatus();
  const absl::Status completed = file_->Complete(size, attributes_, leaf_);
  file_.reset();
  made_.Add(name_);
  return Annotate(completed, name_);
}

absl::Status TreeSink::MakeSymlink(const Entry& entry, int directory) {
  if (entry.target.empty() || entry.target.size() > kMaxName ||
      entry.target.find('\0') != std::string::npos) {
    return InvalidArgument("a symbolic link without a proper target");
  }
  RETURN_IF_ERROR(MakeInPlace(directory, leaf_, temporary_names_, [&](const char* name) {
    return ::symlinkat(entry.target.c_str(), directory, name);
  }));
  return SetAttributesAt(directory, entry);
}

absl::Status TreeSink::MakeNode(const Entry& entry, int directory) {
  const bool device = entry.kind != EntryKind::kFifo;
  if (device && options_.devices == SinkOptions::Devices::kSkip) {
    summary_.Skip(name_);
    return absl::OkStatus();
  }
  const dev_t number = device ? makedev(entry.device_major, entry.device_minor) : 0;
  RETURN_IF_ERROR(MakeInPlace(directory, leaf_, temporary_names_, [&](const char* name) {
    return ::mknodat(directory, name, NodeTypeOf(entry.kind) | 0600, number);
  }));
  return SetAttributesAt(directory, entry);
}

// For what can't be opened without an effect. The last component is never followed.
absl::Status TreeSink::SetAttributesAt(int directory, const Entry& entry) const {
  const char* name = leaf_.c_str();
  if (attributes_.owner.has_value() &&
      ::fchownat(directory, name, attributes_.owner->uid, attributes_.owner->gid,
                 AT_SYMLINK_NOFOLLOW) != 0) {
    return ErrnoStatus(errno, "setting the owner");
  }
  if (entry.kind != EntryKind::kSymlink &&
      ::fchmodat(directory, name, attributes_.mode, AT_SYMLINK_NOFOLLOW) != 0) {
    return ErrnoStatus(errno, "setting the mode");
  }
  const timespec times[2] = {
      {0, UTIME_NOW},
      {attributes_.modified.seconds, static_cast<long>(attributes_.modified.nanoseconds)}};
  if (::utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW) != 0) {
    return ErrnoStatus(errno, "setting the time");
  }
  return absl::OkStatus();
}

absl::Status TreeSink::MakeHardLink(const Entry& entry,
                                    const std::vector<std::string_view>& components) {
  ASSIGN_OR_RETURN(auto target, SplitName(entry.target));
  Entry of_target;
  of_target.name = entry.target;
  RETURN_IF_ERROR(PlaceUnderTop(of_target, target));
  if (!made_.Has(JoinName(target))) {
    return PermissionDenied("a hard link to '{}', which the stream has not made", entry.target);
  }
  ASSIGN_OR_RETURN(const int target_directory, directories_.Enter(ParentOf(target)));
  const UniqueFd target_parent(::fcntl(target_directory, F_DUPFD_CLOEXEC, 3));
  if (!target_parent.valid()) return ErrnoStatus(errno, "opening its target's folder");
  ASSIGN_OR_RETURN(const int directory, directories_.Enter(ParentOf(components)));
  const std::string target_leaf(target.back());
  RETURN_IF_ERROR(MakeInPlace(directory, leaf_, temporary_names_, [&](const char* name) {
    return ::linkat(target_parent.get(), target_leaf.c_str(), directory, name, 0);
  }));
  made_.Add(name_);
  return absl::OkStatus();
}

}  // namespace ember::tree
