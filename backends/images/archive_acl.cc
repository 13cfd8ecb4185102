#include "backends/images/archive_acl.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace ember::images {
namespace {

constexpr uint32_t kVersion = 2;
constexpr uint32_t kNoId = UINT32_MAX;

struct AclEntry {
  uint16_t tag = 0;
  uint16_t permissions = 0;
  uint32_t id = kNoId;
};

// The kernel's tag, which is also its place in the required order.
std::optional<uint16_t> TagOf(int archive_tag) {
  switch (archive_tag) {
    case ARCHIVE_ENTRY_ACL_USER_OBJ:
      return 0x01;
    case ARCHIVE_ENTRY_ACL_USER:
      return 0x02;
    case ARCHIVE_ENTRY_ACL_GROUP_OBJ:
      return 0x04;
    case ARCHIVE_ENTRY_ACL_GROUP:
      return 0x08;
    case ARCHIVE_ENTRY_ACL_MASK:
      return 0x10;
    case ARCHIVE_ENTRY_ACL_OTHER:
      return 0x20;
    default:
      return std::nullopt;
  }
}

void AppendLittleEndian(std::string& out, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

std::optional<std::vector<AclEntry>> ReadAcl(struct archive_entry* source, int wanted) {
  std::vector<AclEntry> acl;
  int type = 0;
  int permissions = 0;
  int tag = 0;
  int id = 0;
  const char* name = nullptr;
  archive_entry_acl_reset(source, wanted);
  while (archive_entry_acl_next(source, wanted, &type, &permissions, &tag, &id, &name) ==
         ARCHIVE_OK) {
    const auto kernel_tag = TagOf(tag);
    if (!kernel_tag.has_value()) return std::nullopt;
    AclEntry entry{*kernel_tag, static_cast<uint16_t>(permissions & 7), kNoId};
    if (tag == ARCHIVE_ENTRY_ACL_USER || tag == ARCHIVE_ENTRY_ACL_GROUP) {
      if (id < 0) return std::nullopt;
      entry.id = static_cast<uint32_t>(id);
    }
    acl.push_back(entry);
  }
  std::sort(acl.begin(), acl.end(), [](const AclEntry& a, const AclEntry& b) {
    return std::tie(a.tag, a.id) < std::tie(b.tag, b.id);
  });
  return acl;
}

void AddAcl(struct archive_entry* source, int wanted, const char* attribute, Entry& entry) {
  if ((archive_entry_acl_types(source) & wanted) == 0) return;
  const auto acl = ReadAcl(source, wanted);
  if (!acl.has_value() || acl->empty()) return;
  std::string value;
  AppendLittleEndian(value, kVersion, 4);
  for (const AclEntry& item : *acl) {
    AppendLittleEndian(value, item.tag, 2);
    AppendLittleEndian(value, item.permissions, 2);
    AppendLittleEndian(value, item.id, 4);
  }
  entry.xattrs[attribute] = std::move(value);
}

}  // namespace

void AddAclAttributes(struct archive_entry* source, Entry& entry) {
  AddAcl(source, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, "system.posix_acl_access", entry);
  AddAcl(source, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, "system.posix_acl_default", entry);
}

}  // namespace ember::images
