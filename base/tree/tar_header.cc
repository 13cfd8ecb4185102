#include "base/tree/tar_header.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/status.h"
#include "base/status_macros.h"
#include "base/tree/pax.h"

namespace ember::tree {
namespace {

// Where a field lies in the block.
struct Field {
  size_t offset;
  size_t size;
};
constexpr Field kName{0, 100};
constexpr Field kMode{100, 8};
constexpr Field kUid{108, 8};
constexpr Field kGid{116, 8};
constexpr Field kSize{124, 12};
constexpr Field kModified{136, 12};
constexpr Field kChecksum{148, 8};
constexpr size_t kType = 156;
constexpr Field kTarget{157, 100};
constexpr Field kMagic{257, 8};
constexpr Field kMajor{329, 8};
constexpr Field kMinor{337, 8};
constexpr Field kPrefix{345, 155};

constexpr std::string_view kPosixMagic("ustar\00000", 8);
constexpr std::string_view kGnuMagic("ustar  \0", 8);
constexpr mode_t kPermissions = 07777;

struct TypeOfKind {
  EntryKind kind;
  char type;
};
constexpr auto kTypes = std::to_array<TypeOfKind>({{EntryKind::kFile, '0'},
                                                   {EntryKind::kHardLink, '1'},
                                                   {EntryKind::kSymlink, '2'},
                                                   {EntryKind::kCharDevice, '3'},
                                                   {EntryKind::kBlockDevice, '4'},
                                                   {EntryKind::kDirectory, '5'},
                                                   {EntryKind::kFifo, '6'}});

std::string_view TextOf(std::string_view block, Field field) {
  const std::string_view text = block.substr(field.offset, field.size);
  return text.substr(0, text.find('\0'));
}

// Octal digits, or for what does not fit in them GNU's binary form.
absl::StatusOr<uint64_t> NumberOf(std::string_view block, Field field) {
  std::string_view text = block.substr(field.offset, field.size);
  uint64_t value = 0;
  if (static_cast<unsigned char>(text[0]) == 0x80) {
    for (const char byte : text.substr(1)) {
      if (value >> 55 != 0) return InvalidArgument("a number in a tar header is too large");
      value = value << 8 | static_cast<unsigned char>(byte);
    }
    return value;
  }
  text = text.substr(0, text.find('\0'));
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  for (const char digit : text) {
    if (digit < '0' || digit > '7') return InvalidArgument("a tar header holds no octal number");
    value = value << 3 | static_cast<uint64_t>(digit - '0');
  }
  return value;
}

// The sum of all bytes, those of the sum itself taken as blanks.
uint64_t ChecksumOf(std::string_view block) {
  uint64_t sum = kChecksum.size * ' ';
  for (size_t i = 0; i < block.size(); ++i) {
    const bool counted = i < kChecksum.offset || i >= kChecksum.offset + kChecksum.size;
    if (counted) sum += static_cast<unsigned char>(block[i]);
  }
  return sum;
}

absl::Status CheckBlock(std::string_view block) {
  const std::string_view magic = block.substr(kMagic.offset, kMagic.size);
  if (magic != kPosixMagic && magic != kGnuMagic) return InvalidArgument("this is no tar stream");
  ASSIGN_OR_RETURN(const uint64_t checksum, NumberOf(block, kChecksum));
  if (checksum != ChecksumOf(block)) return InvalidArgument("a tar header is damaged");
  return absl::OkStatus();
}

void PutText(char* block, Field field, std::string_view text) {
  std::memcpy(block + field.offset, text.data(), std::min(text.size(), field.size));
}

// Whether `value` fits into the octal digits of a field.
bool Fits(uint64_t value, Field field) { return value >> (3 * (field.size - 1)) == 0; }

void PutNumber(char* block, Field field, uint64_t value) {
  if (!Fits(value, field)) value = 0;  // a pax record says it
  for (size_t i = field.size - 1; i-- > 0; value >>= 3) {
    block[field.offset + i] = static_cast<char>('0' + (value & 7));
  }
}

char TypeOf(EntryKind kind) {
  return std::find_if(kTypes.begin(), kTypes.end(),
                      [kind](TypeOfKind entry) { return entry.kind == kind; })
      ->type;
}

void AppendBlock(const Entry& entry, char type, uint64_t stored_size, std::string& out) {
  const size_t start = out.size();
  out.resize(start + kBlock, '\0');
  char* block = out.data() + start;
  PutText(block, kName, entry.name);
  PutNumber(block, kMode, entry.mode & kPermissions);
  PutNumber(block, kUid, entry.uid);
  PutNumber(block, kGid, entry.gid);
  PutNumber(block, kSize, stored_size);
  PutNumber(block, kModified,
            entry.modified.seconds < 0 ? 0 : static_cast<uint64_t>(entry.modified.seconds));
  block[kType] = type;
  PutText(block, kTarget, entry.target);
  PutText(block, kMagic, kPosixMagic);
  PutNumber(block, kMajor, entry.device_major);
  PutNumber(block, kMinor, entry.device_minor);
  PutNumber(block, kChecksum, ChecksumOf({block, kBlock}));
}

// What does not fit into the header block.
std::string PaxRecordsOf(const Entry& entry, Storage storage, uint64_t stored_size) {
  std::string records;
  const auto number = [&records](std::string_view key, uint64_t value, Field field) {
    if (!Fits(value, field)) AppendPaxRecord(key, std::to_string(value), records);
  };
  if (entry.name.size() > kName.size) AppendPaxRecord("path", entry.name, records);
  if (entry.target.size() > kTarget.size) AppendPaxRecord("linkpath", entry.target, records);
  const FileTime& time = entry.modified;
  if (time.nanoseconds != 0 || time.seconds < 0 || !Fits(time.seconds, kModified)) {
    AppendPaxRecord("mtime", PaxTimeText(time), records);
  }
  number("uid", entry.uid, kUid);
  number("gid", entry.gid, kGid);
  number("size", stored_size, kSize);
  if (entry.continued) AppendPaxRecord("EMBER.continued", "1", records);
  if (storage == Storage::kSparse) {
    AppendPaxRecord("GNU.sparse.major", "1", records);
    AppendPaxRecord("GNU.sparse.minor", "0", records);
    AppendPaxRecord("GNU.sparse.name", entry.name, records);
    AppendPaxRecord("GNU.sparse.realsize", std::to_string(entry.size), records);
  }
  return records;
}

absl::Status ReadSparseRecord(std::string_view key, std::string_view value, PaxValues& values) {
  if (key == "GNU.sparse.name") {
    values.name = value;
  } else if (key == "GNU.sparse.realsize") {
    ASSIGN_OR_RETURN(values.sparse_size, ParseDecimal(value));
  } else if (key == "GNU.sparse.major" && value == "1") {
    values.sparse = true;
  } else if (key != "GNU.sparse.minor" || value != "0") {
    return InvalidArgument("the tar stream has a sparse format other than 1.0");
  }
  return absl::OkStatus();
}

absl::Status ReadPaxRecord(std::string_view key, std::string_view value, PaxValues& values) {
  if (key == "path") {
    if (!values.sparse) values.name = value;  // else the name of a stand-in
  } else if (key == "linkpath") {
    values.target = value;
  } else if (key == "size") {
    ASSIGN_OR_RETURN(values.size, ParseDecimal(value));
  } else if (key == "uid") {
    ASSIGN_OR_RETURN(values.uid, ParseDecimal(value));
  } else if (key == "gid") {
    ASSIGN_OR_RETURN(values.gid, ParseDecimal(value));
  } else if (key == "mtime") {
    ASSIGN_OR_RETURN(values.modified, ParsePaxTime(value));
  } else if (key == "EMBER.continued") {
    values.continued = value == "1";
  } else if (key.starts_with("GNU.sparse.")) {
    return ReadSparseRecord(key, value, values);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadPaxRecords(std::string_view body, PaxValues& values) {
  return ForEachPaxRecord(body, [&values](std::string_view key, std::string_view value) {
    return ReadPaxRecord(key, value, values);
  });
}

absl::StatusOr<TarHeader> ParseTarHeader(std::string_view block) {
  RETURN_IF_ERROR(CheckBlock(block));
  TarHeader header;
  Entry& entry = header.entry;
  header.type = block[kType];
  const auto* known = std::find_if(kTypes.begin(), kTypes.end(), [&header](TypeOfKind entry) {
    return entry.type == header.type;
  });
  entry.kind = known == kTypes.end() ? EntryKind::kFile : known->kind;
  entry.name = TextOf(block, kName);
  const std::string_view prefix = TextOf(block, kPrefix);
  const bool posix = block.substr(kMagic.offset, kMagic.size) == kPosixMagic;
  if (posix && !prefix.empty()) entry.name = fmt::format("{}/{}", prefix, entry.name);
  entry.target = TextOf(block, kTarget);
  ASSIGN_OR_RETURN(const uint64_t mode, NumberOf(block, kMode));
  entry.mode = mode & kPermissions;
  ASSIGN_OR_RETURN(entry.uid, NumberOf(block, kUid));
  ASSIGN_OR_RETURN(entry.gid, NumberOf(block, kGid));
  ASSIGN_OR_RETURN(header.stored_size, NumberOf(block, kSize));
  ASSIGN_OR_RETURN(const uint64_t seconds, NumberOf(block, kModified));
  entry.modified.seconds = static_cast<int64_t>(seconds);
  ASSIGN_OR_RETURN(const uint64_t major, NumberOf(block, kMajor));
  ASSIGN_OR_RETURN(const uint64_t minor, NumberOf(block, kMinor));
  entry.device_major = static_cast<uint32_t>(major);
  entry.device_minor = static_cast<uint32_t>(minor);
  return header;
}

void AppendTarHeader(const Entry& entry, Storage storage, uint64_t stored_size, std::string& out) {
  const std::string records = PaxRecordsOf(entry, storage, stored_size);
  if (!records.empty()) {
    Entry extended;
    extended.name = "PaxHeader";
    AppendBlock(extended, 'x', records.size(), out);
    out += records;
    out.append(PaddingOf(records.size()), '\0');
  }
  AppendBlock(entry, TypeOf(entry.kind), stored_size, out);
}

}  // namespace ember::tree
