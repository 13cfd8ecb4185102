#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace ember::images {

// The configuration that a kernel was built with: what `make menuconfig` writes, one
// "CONFIG_NAME=value" a line. A kernel built with CONFIG_IKCONFIG carries it, compressed with gzip
// between the marks "IKCFG_ST" and "IKCFG_ED" (kernel/configs.c). A value.
class KernelConfig {
 public:
  enum class Choice { kNo, kBuiltIn, kModule };

  // Out of the file's text; lines that say nothing are passed over.
  static KernelConfig Parse(std::string_view text);
  // Out of an uncompressed kernel; nothing when it carries none, or a damaged one.
  static std::optional<KernelConfig> FindIn(std::string_view kernel);

  // `symbol` without "CONFIG_". One that is not mentioned is off, as for the kernel's own build.
  Choice Get(std::string_view symbol) const;

 private:
  std::map<std::string, Choice, std::less<>> choices_;
};

}  // namespace ember::images
