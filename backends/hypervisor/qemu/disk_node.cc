#include "backends/hypervisor/qemu/disk_node.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace ember::hypervisor {

std::string DiskNodeName(size_t position) { return fmt::format("disk{}", position); }

std::string FileNodeName(std::string_view disk_node) { return fmt::format("{}-file", disk_node); }

nlohmann::json DiskNode(const DiskSpec& disk, std::string_view name) {
  return {{"driver", disk.format == DiskFormat::kRaw ? "raw" : "qcow2"},
          {"node-name", name},
          {"discard", "unmap"},
          {"read-only", disk.read_only},
          {"file",
           {{"driver", "file"},
            {"node-name", FileNodeName(name)},
            {"filename", disk.path.native()},
            {"discard", "unmap"},
            {"read-only", disk.read_only}}}};
}

}  // namespace ember::hypervisor
