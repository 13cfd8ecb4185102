#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/guest-agent/framed_client.h"

namespace ember::testing {

// Requests about files, each on a connection of its own.
class FileClient {
 public:
  explicit FileClient(const AgentProcess& agent) : client_(agent) {}

  // What an answer that may come in parts is made of.
  struct Answer {
    std::string stream;
    std::vector<v1::FileInfo> files;
    std::optional<v1::TreeEnd> end;
    std::optional<v1::Failure> failure;
    bool done = false;

    v1::Failure::Reason reason() const {
      return failure.has_value() ? failure->reason() : v1::Failure::REASON_UNSPECIFIED;
    }
  };

  FramedClient& connection() { return client_; }

  Answer Ask(const v1::ClientFrame& request) {
    client_.Send(request);
    return Finish();
  }

  Answer Finish() {
    Answer answer;
    while (const auto frame = client_.Receive()) {
      answer.stream += frame->tree_data().payload();
      for (const auto& file : frame->file_list().files()) answer.files.push_back(file);
      if (frame->has_tree_end()) answer.end = frame->tree_end();
      if (frame->has_failure()) answer.failure = frame->failure();
      answer.done = answer.done || frame->has_done();
    }
    return answer;
  }

  Answer ReadTree(const std::string& path, bool contents = false) {
    v1::ClientFrame frame;
    frame.mutable_read_tree()->set_path(path);
    frame.mutable_read_tree()->set_contents(contents);
    return Ask(frame);
  }

  void BeginWrite(const std::string& path, std::optional<std::string> single = std::nullopt) {
    v1::ClientFrame frame;
    frame.mutable_write_tree()->set_path(path);
    frame.mutable_write_tree()->set_single(single.has_value());
    frame.mutable_write_tree()->set_name(single.value_or(""));
    client_.Send(frame);
  }
  void Data(std::string_view bytes) {
    v1::ClientFrame frame;
    frame.mutable_tree_data()->set_payload(std::string(bytes));
    client_.Send(frame);
  }
  Answer End() {
    v1::ClientFrame frame;
    frame.mutable_tree_end();
    client_.Send(frame);
    return Finish();
  }
  Answer WriteTree(const std::string& path, std::string_view stream,
                   std::optional<std::string> single = std::nullopt) {
    BeginWrite(path, std::move(single));
    for (; !stream.empty(); stream.remove_prefix(std::min(stream.size(), size_t{100'000}))) {
      Data(stream.substr(0, 100'000));
    }
    return End();
  }

 private:
  FramedClient client_;
};

}  // namespace ember::testing
