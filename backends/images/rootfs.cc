#include "backends/images/rootfs.h"

#include <algorithm>

#include "backends/images/ext4_error.h"
#include "backends/images/ext4_identity.h"
#include "backends/images/ext4_writer.h"
#include "base/file.h"
#include "base/status.h"
#include "base/status_macros.h"

namespace ember::images {
namespace {

constexpr uint64_t kProgressStep = 8 * kMiB;
constexpr uint64_t kTypicalFile = 8192;  // bytes of archive per entry, on the low side

uint64_t Blocks(uint64_t bytes) { return (bytes + kExt4BlockSize - 1) / kExt4BlockSize; }

// Ends the reading of a source that is too large, and of one that nobody wants any more.
class ContentLimit {
 public:
  ContentLimit(const RootfsOptions& options, const Cancellation& cancellation)
      : options_(options), cancellation_(cancellation) {}

  absl::Status AddEntry() {
    if (++entries_ > options_.max_entries) {
      return ResourceExhausted("the image has more than {} entries", options_.max_entries);
    }
    return cancellation_.Check("writing the image");
  }

  absl::Status AddBytes(uint64_t bytes) {
    bytes_ += bytes;
    if (bytes_ > options_.max_content_bytes) {
      return ResourceExhausted("the image has more than {} of content",
                               FormatSize(options_.max_content_bytes));
    }
    return cancellation_.Check("writing the image");
  }

 private:
  const RootfsOptions& options_;
  const Cancellation& cancellation_;
  uint64_t entries_ = 0;
  uint64_t bytes_ = 0;
};

// The blocks beside its content that an entry takes: what its folder needs for its name, a block
// for attributes, one for a long symbolic link.
uint64_t SideBytes(const Entry& entry) {
  uint64_t bytes = entry.path.size() - std::min(entry.path.size(), entry.path.rfind('/') + 1) + 16;
  if (entry.type == EntryType::kDirectory || !entry.xattrs.empty()) bytes += kExt4BlockSize;
  if (entry.type == EntryType::kSymlink && entry.target.size() >= 60) bytes += kExt4BlockSize;
  return bytes;
}

absl::Status MeasureEntries(EntrySource& source, ContentLimit& limit, Ext4Content& content) {
  uint64_t side_bytes = 0;
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<Entry> entry, source.Next());
    if (!entry.has_value()) break;
    RETURN_IF_ERROR(limit.AddEntry());
    ++content.inodes;
    side_bytes += SideBytes(*entry);
    if (entry->type != EntryType::kFile) continue;
    uint64_t bytes = 0;
    while (true) {
      ASSIGN_OR_RETURN(const std::optional<EntryBlock> block, source.NextBlock());
      if (!block.has_value()) break;
      RETURN_IF_ERROR(limit.AddBytes(block->bytes.size()));
      bytes += block->bytes.size();
    }
    content.blocks += Blocks(bytes) + (bytes == entry->size_bytes ? 0 : 1);
  }
  content.blocks += Blocks(side_bytes);
  return absl::OkStatus();
}

absl::Status CopyContent(EntrySource& source, Ext4Writer& writer, ContentLimit& limit) {
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<EntryBlock> block, source.NextBlock());
    if (!block.has_value()) return absl::OkStatus();
    RETURN_IF_ERROR(limit.AddBytes(block->bytes.size()));
    RETURN_IF_ERROR(writer.Write(block->offset, block->bytes));
  }
}

absl::Status CopyEntries(EntrySource& source, uint64_t total, Ext4Writer& writer,
                         ContentLimit& limit, const ProgressSink& sink) {
  uint64_t next_report = 0;
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<Entry> entry, source.Next());
    if (!entry.has_value()) return absl::OkStatus();
    RETURN_IF_ERROR(limit.AddEntry());
    RETURN_IF_ERROR(writer.Add(*entry));
    if (entry->type == EntryType::kFile) RETURN_IF_ERROR(CopyContent(source, writer, limit));
    if (source.bytes_read() < next_report) continue;
    Report(sink, {"writing", "root filesystem", source.bytes_read(), total});
    next_report = source.bytes_read() + kProgressStep;
  }
}

absl::StatusOr<Ext4Identity> IdentityOf(const RootfsSource& source) {
  if (source.identity.empty()) return NewExt4Identity();
  return Ext4IdentityFrom(source.identity);
}

absl::StatusOr<uint64_t> WriteOnce(const RootfsSource& source, const std::filesystem::path& target,
                                   const Ext4Geometry& geometry, const RootfsOptions& options,
                                   const ProgressSink& sink, const Cancellation& cancellation) {
  ContentLimit limit(options, cancellation);
  ASSIGN_OR_RETURN(const std::unique_ptr<EntrySource> entries, source.open());
  ASSIGN_OR_RETURN(const Ext4Identity identity, IdentityOf(source));
  ASSIGN_OR_RETURN(const std::unique_ptr<Ext4Writer> writer,
                   Ext4Writer::Create(target, geometry, identity));
  RETURN_IF_ERROR(CopyEntries(*entries, source.bytes_to_read, *writer, limit, sink));
  ListSource replacements(source.replacements);
  RETURN_IF_ERROR(CopyEntries(replacements, 0, *writer, limit, {}));
  Report(sink, {"syncing", "root filesystem"});
  const uint64_t size = writer->size_bytes();
  RETURN_IF_ERROR(writer->Finish());
  return size;
}

Ext4Geometry Shape(const RootfsOptions& options, const Ext4Content& content) {
  return options.size_bytes == 0 ? GeometryFor(content)
                                 : GeometryOfSize(options.size_bytes, content);
}

absl::Status TooSmall(const RootfsOptions& options, const Ext4Content& content) {
  const uint64_t needed = GeometryFor(content).size_bytes;
  return WithHint(
      InvalidArgument("a size of {} is too small: the content needs {}",
                      FormatSize(options.size_bytes), FormatSize(needed)),
      fmt::format("use '--size {}' or more, or leave the size out", FormatSize(needed)));
}

absl::StatusOr<uint64_t> Write(const RootfsSource& source, const std::filesystem::path& target,
                               const RootfsOptions& options, const ProgressSink& sink,
                               const Cancellation& cancellation) {
  if (options.size_bytes > 0 && options.size_bytes < kExt4MinSize) {
    return InvalidArgument("a size of {} is too small: at least {} is needed",
                           FormatSize(options.size_bytes), FormatSize(kExt4MinSize));
  }
  if (source.unpacked_size.has_value()) {
    const Ext4Content guess{Blocks(*source.unpacked_size), *source.unpacked_size / kTypicalFile};
    auto size = WriteOnce(source, target, Shape(options, guess), options, sink, cancellation);
    if (size.ok() || !IsFilesystemFull(size.status())) return size;
    RETURN_IF_ERROR(RemoveTree(target));
  }
  Report(sink, {"measuring", "content"});
  ASSIGN_OR_RETURN(const Ext4Content content, MeasureContent(source, options, cancellation));
  auto size = WriteOnce(source, target, Shape(options, content), options, sink, cancellation);
  const bool too_small = options.size_bytes > 0 && IsFilesystemFull(size.status());
  return too_small ? TooSmall(options, content) : size;
}

}  // namespace

absl::StatusOr<Ext4Content> MeasureContent(const RootfsSource& source, const RootfsOptions& options,
                                           const Cancellation& cancellation) {
  ContentLimit limit(options, cancellation);
  Ext4Content content;
  ASSIGN_OR_RETURN(const std::unique_ptr<EntrySource> entries, source.open());
  RETURN_IF_ERROR(MeasureEntries(*entries, limit, content));
  ListSource replacements(source.replacements);
  RETURN_IF_ERROR(MeasureEntries(replacements, limit, content));
  return content;
}

absl::StatusOr<uint64_t> WriteRootfs(const RootfsSource& source,
                                     const std::filesystem::path& target,
                                     const RootfsOptions& options, const ProgressSink& sink,
                                     const Cancellation& cancellation) {
  auto size = Write(source, target, options, sink, cancellation);
  // The error that led here is the one to tell.
  if (!size.ok()) RemoveTree(target).IgnoreError();
  return size;
}

}  // namespace ember::images
