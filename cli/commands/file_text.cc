#include "cli/commands/file_text.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "cli/table.h"
#include "cli/words.h"

namespace ember::cli {
namespace {

using Json = nlohmann::ordered_json;

struct FileType {
  mode_t type;
  char letter;
  std::string_view word;
};
constexpr FileType kTypes[] = {{S_IFREG, '-', "file"},        {S_IFDIR, 'd', "directory"},
                               {S_IFLNK, 'l', "symlink"},     {S_IFIFO, 'p', "fifo"},
                               {S_IFSOCK, 's', "socket"},     {S_IFCHR, 'c', "char_device"},
                               {S_IFBLK, 'b', "block_device"}};

FileType TypeOf(uint32_t mode) {
  for (const FileType& type : kTypes) {
    if ((mode & S_IFMT) == type.type) return type;
  }
  return {0, '?', "unknown"};
}

std::string OwnerText(const std::string& name, uint32_t id) {
  return name.empty() ? std::to_string(id) : name;
}

std::string NameText(const v1::FileInfo& file) {
  return file.link_target().empty() ? file.name() : file.name() + " -> " + file.link_target();
}

Json OrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json ToJson(const v1::FileInfo& file) {
  return {{"name", file.name()},
          {"type", TypeOf(file.mode()).word},
          {"mode", fmt::format("{:04o}", file.mode() & 07777)},
          {"size_bytes", file.size_bytes()},
          {"disk_bytes", file.disk_bytes()},
          {"uid", file.uid()},
          {"gid", file.gid()},
          {"user", OrNull(file.user())},
          {"group", OrNull(file.group())},
          {"modified_at", TimeText(file.modified_at())},
          {"link_target", OrNull(file.link_target())}};
}

std::string Dump(const Json& json) {
  return json.dump(2, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string ModeText(uint32_t mode) {
  std::string text(1, TypeOf(mode).letter);
  for (int shift = 6; shift >= 0; shift -= 3) {
    text += (mode >> shift & 4) != 0 ? 'r' : '-';
    text += (mode >> shift & 2) != 0 ? 'w' : '-';
    text += (mode >> shift & 1) != 0 ? 'x' : '-';
  }
  const auto mark = [&text, mode](uint32_t bit, size_t at, char with, char without) {
    if ((mode & bit) != 0) text[at] = text[at] == 'x' ? with : without;
  };
  mark(S_ISUID, 3, 's', 'S');
  mark(S_ISGID, 6, 's', 'S');
  mark(S_ISVTX, 9, 't', 'T');
  return text;
}

std::string FileTableText(const std::vector<v1::FileInfo>& files) {
  Table table({"MODE", "USER", "GROUP", "SIZE", "MODIFIED", "NAME"});
  for (const v1::FileInfo& file : files) {
    table.Add({ModeText(file.mode()), OwnerText(file.user(), file.uid()),
               OwnerText(file.group(), file.gid()), std::to_string(file.size_bytes()),
               TimeText(file.modified_at()), NameText(file)});
  }
  return table.Text();
}

std::string FileText(const v1::FileInfo& file) {
  return KeyValueText(
      {{"name", NameText(file)},
       {"type", std::string(TypeOf(file.mode()).word)},
       {"mode", fmt::format("{:04o} {}", file.mode() & 07777, ModeText(file.mode()))},
       {"size", std::to_string(file.size_bytes())},
       {"on disk", std::to_string(file.disk_bytes())},
       {"user", OwnerText(file.user(), file.uid())},
       {"group", OwnerText(file.group(), file.gid())},
       {"modified", TimeText(file.modified_at())}});
}

std::string FileJsonText(const v1::FileInfo& file) { return Dump(ToJson(file)); }

std::string FileJsonText(const std::vector<v1::FileInfo>& files) {
  Json list = Json::array();
  for (const v1::FileInfo& file : files) list.push_back(ToJson(file));
  return Dump(list);
}

}  // namespace ember::cli
