#pragma once

#include <string>
#include <string_view>

// Text that came from a guest, an image or another user, made safe for a terminal.
namespace ember::cli {

// `text` with control characters (C0, DEL, C1), characters that reorder what is shown (bidi
// controls) and bytes that are not UTF-8 written as \n, \t, \e or \xNN. What is left can neither
// move the cursor nor fake a line.
std::string Printable(std::string_view text);

// The same, except that line ends stay and continued lines are indented by two blanks: for
// messages.
std::string PrintableLines(std::string_view text);

// How many bytes of `text`, from its start, are UTF-8: all of them, or those before the first that
// is not (RFC 3629).
size_t Utf8Prefix(std::string_view text);

// Columns that printable text takes: its number of code points.
size_t DisplayWidth(std::string_view printable);

}  // namespace ember::cli
