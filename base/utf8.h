#pragma once

#include <string>
#include <string_view>

namespace ember {

// `text` with each byte that is not part of UTF-8 (RFC 3629) written as \xNN: names of files are
// bytes, strings of messages are not.
std::string ToUtf8(std::string_view text);

}  // namespace ember
