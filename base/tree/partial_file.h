#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/tree/directory_stack.h"
#include "base/unique_fd.h"

namespace ember::tree {

// Names for what is not complete yet: ".ember-", a random word of this object, a number.
class TemporaryNames {
 public:
  TemporaryNames();
  std::string Next();

 private:
  std::string prefix_;
  uint64_t count_ = 0;
};

// Puts whatever `make` makes under the name it is given into the place of `name` in `directory`, in
// one step. What is there is replaced; AlreadyExists when it is a directory. `make` answers 0 or
// sets errno.
absl::Status MakeInPlace(int directory, const std::string& name, TemporaryNames& names,
                         absl::FunctionRef<int(const char* name)> make);

// A file that is being written, under a temporary name in its directory until it is whole.
// Destroying it before that removes it. Not thread-safe.
class PartialFile {
 public:
  // `directory` is borrowed and stays open as long as this object.
  static absl::StatusOr<PartialFile> Create(int directory, TemporaryNames& names);
  PartialFile(PartialFile&& other) noexcept;
  PartialFile& operator=(PartialFile&&) = delete;
  ~PartialFile();

  absl::Status WriteAt(uint64_t offset, std::string_view bytes);
  // Gives the file its size and its attributes and moves it to `name`.
  absl::Status Complete(uint64_t size, const Attributes& attributes, const std::string& name);

 private:
  PartialFile(int directory, std::string temporary, UniqueFd fd)
      : directory_(directory), temporary_(std::move(temporary)), fd_(std::move(fd)) {}

  int directory_;
  std::string temporary_;  // empty: there is no such file any more
  UniqueFd fd_;
  uint64_t end_ = 0;  // of what is written
};

}  // namespace ember::tree
