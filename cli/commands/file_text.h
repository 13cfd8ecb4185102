#pragma once

#include <string>
#include <vector>

#include "ember/v1/file_service.pb.h"

// Files of a VM as text, for people and for scripts (keys in snake_case, ASCII only).
namespace ember::cli {

// "drwxr-xr-x", as ls(1) says it.
std::string ModeText(uint32_t mode);

std::string FileTableText(const std::vector<v1::FileInfo>& files);
std::string FileText(const v1::FileInfo& file);
std::string FileJsonText(const v1::FileInfo& file);
std::string FileJsonText(const std::vector<v1::FileInfo>& files);

}  // namespace ember::cli
