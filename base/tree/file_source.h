#pragma once

#include <sys/stat.h>

#include "absl/status/statusor.h"
#include "base/cancellation.h"
#include "base/tree/piece_writer.h"

// One file as an entry of a tar stream.
namespace ember::tree {

// What stat(2) says as an entry, without name and target.
Entry EntryOf(const struct stat& status);

// Sends the open, regular file `fd`. What is sent fits its header even if the file changes
// meanwhile: a small one is sent as it was read, a larger one is cut or filled with zeros. A file
// in /proc, which has content and no size, is sent in parts. Answers how many bytes of content
// went.
absl::StatusOr<uint64_t> SendFileContent(int fd, Entry entry, PieceWriter& out);

// Sends whatever can be read from `fd` (a pipe) as the content of `entry`, in parts. The wait for
// it ends with Check's error when somebody asks for that.
absl::StatusOr<uint64_t> SendUnsized(int fd, Entry entry, PieceWriter& out,
                                     const Cancellation& cancellation = {});

}  // namespace ember::tree
