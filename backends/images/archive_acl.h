#pragma once

#include "backends/images/archive_handle.h"
#include "backends/images/entry.h"

namespace ember::images {

// Adds the POSIX ACLs of an archive's entry to `entry` as the attributes
// "system.posix_acl_access" and "system.posix_acl_default", in the kernel's form
// (include/uapi/linux/posix_acl_xattr.h, version 2). A list that names a user or group without its
// number is left out: only the image's own passwd file could tell who is meant.
void AddAclAttributes(struct archive_entry* source, Entry& entry);

}  // namespace ember::images
