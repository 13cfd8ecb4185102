#include "cli/commands/image_text.h"

#include <fmt/format.h>

#include "cli/commands/usage_text.h"
#include "cli/table.h"
#include "cli/words.h"

namespace ember::cli {
namespace {

template <typename Names>
std::string Joined(const Names& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// By which people tell images apart that have no name.
std::string ShortId(const std::string& id) {
  constexpr size_t kAlgorithm = 7;  // "sha256:"
  constexpr size_t kDigits = 12;
  return id.size() > kAlgorithm ? id.substr(kAlgorithm, kDigits) : "";
}

// As words of a command line: quoted where a blank would hide where one ends.
std::string CommandText(const google::protobuf::RepeatedPtrField<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    const bool plain = !word.empty() && word.find_first_of(" \t\"'") == word.npos;
    text += (text.empty() ? "" : " ") + (plain ? word : fmt::format("\"{}\"", word));
  }
  return text;
}

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

}  // namespace

std::string ImageTableText(const v1::ListImagesResponse& response) {
  Table table({"NAME", "ID", "SOURCE", "SIZE", "ON DISK", "CREATED", "USED BY"});
  for (const v1::Image& image : response.images()) {
    table.Add({OrDash(image.name()), ShortId(image.id()), image.source(),
               MibText(image.size_bytes()), MibText(image.disk_bytes()),
               TimeText(image.created_at()), Joined(image.used_by())});
  }
  return table.Text();
}

std::string ImageText(const v1::Image& image) {
  const v1::ImageConfig& config = image.config();
  return KeyValueText({{"name", OrDash(image.name())},
                       {"names", Joined(image.names())},
                       {"id", image.id()},
                       {"source", image.source()},
                       {"digest", image.digest()},
                       {"layers", fmt::format("{}", image.layers_size())},
                       {"entrypoint", CommandText(config.entrypoint())},
                       {"command", CommandText(config.cmd())},
                       {"user", config.user()},
                       {"directory", config.working_dir()},
                       {"environment", Joined(config.env())},
                       {"stop signal", config.stop_signal()},
                       {"ports", Joined(config.exposed_ports())},
                       {"size", MibText(image.size_bytes())},
                       {"on disk", MibText(image.disk_bytes())},
                       {"path", image.path()},
                       {"created", TimeText(image.created_at())},
                       {"used by", Joined(image.used_by())}});
}

}  // namespace ember::cli
