#include "cli/printable.h"

#include <fmt/format.h>

#include <cstdint>

namespace ember::cli {
namespace {

struct CodePoint {
  uint32_t value = 0;
  size_t length = 0;  // 0: not UTF-8
};

// Decodes the character at the start of non-empty `text`; overlong forms, surrogates and values
// over U+10FFFF are not UTF-8 (RFC 3629).
CodePoint Decode(std::string_view text) {
  const auto byte = [&text](size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return {};
  uint32_t value = first & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = (value << 6) | (byte(i) & 0x3Fu);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kSmallest[length] || surrogate || value > 0x10FFFF) return {};
  return {value, length};
}

bool IsUnsafe(uint32_t value) {
  const bool control = value < 0x20 || (value >= 0x7F && value <= 0x9F);
  const bool bidi = value == 0x200E || value == 0x200F || (value >= 0x202A && value <= 0x202E) ||
                    (value >= 0x2066 && value <= 0x2069);
  const bool line_break = value == 0x2028 || value == 0x2029;
  return control || bidi || line_break;
}

void AppendEscaped(std::string_view bytes, std::string& out) {
  if (bytes == "\n") {
    out += "\\n";
  } else if (bytes == "\t") {
    out += "\\t";
  } else if (bytes == "\x1b") {
    out += "\\e";
  } else {
    for (const unsigned char byte : bytes) out += fmt::format("\\x{:02x}", byte);
  }
}

}  // namespace

size_t Utf8Prefix(std::string_view text) {
  size_t length = 0;
  while (length < text.size()) {
    const CodePoint point = Decode(text.substr(length));
    if (point.length == 0) break;
    length += point.length;
  }
  return length;
}

std::string Printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = Decode(text);
    const std::string_view bytes = text.substr(0, point.length == 0 ? 1 : point.length);
    if (point.length == 0 || IsUnsafe(point.value)) {
      AppendEscaped(bytes, out);
    } else {
      out += bytes;
    }
    text.remove_prefix(bytes.size());
  }
  return out;
}

std::string PrintableLines(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  std::string out;
  while (true) {
    const size_t end = text.find('\n');
    out += Printable(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    out += "\n  ";
    text.remove_prefix(end + 1);
  }
}

size_t DisplayWidth(std::string_view printable) {
  size_t width = 0;
  for (const unsigned char byte : printable) width += (byte & 0xC0) != 0x80 ? 1 : 0;
  return width;
}

}  // namespace ember::cli
