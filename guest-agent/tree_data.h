#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

// TreeData frames without a copy of what they carry: trees are the one thing that comes in volumes.
// The bytes are those that protobuf makes and reads.
namespace ember::agent {

// What goes before the payload of an AgentFrame's tree_data: the frame's length and two tags.
class TreeDataHead {
 public:
  explicit TreeDataHead(size_t payload);
  std::string_view bytes() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, 24> bytes_;
  size_t size_;
};

// The payload of a serialised ClientFrame that is one tree_data and nothing else, as we write it.
// Nothing for any other frame: then protobuf is to read it.
std::optional<std::string_view> TreeDataPayload(std::string_view frame);

}  // namespace ember::agent
