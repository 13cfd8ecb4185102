#include "cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

#include "absl/strings/str_split.h"
#include "base/size.h"
#include "base/status.h"
#include "base/status_macros.h"
#include "cli/duration.h"
#include "cli/suggestion.h"
#include "cli/typed_value.h"

namespace ember::cli {
namespace {

// "-t,--tty" as the help shows it, and its long name for errors.
std::string Shown(const std::string& names, const std::string& value) {
  std::string shown = names;
  if (const size_t comma = shown.find(','); comma != std::string::npos)
    shown.insert(comma + 1, " ");
  return value.empty() ? shown : shown + " " + value;
}
std::string LongName(const std::string& names) { return names.substr(names.rfind(',') + 1); }

absl::Status AddPair(const std::string& name, const std::string& text,
                     std::map<std::string, std::string>& target) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) {
    return InvalidArgument("{} '{}' is not KEY=VALUE", name, text);
  }
  target[text.substr(0, equals)] = text.substr(equals + 1);
  return absl::OkStatus();
}

}  // namespace

Arguments::Arguments() : app_(std::make_unique<CLI::App>()) {
  app_->set_help_flag();  // the command line answers --help itself
  app_->allow_extras();   // CheckUnknown has better words for them
}
Arguments::~Arguments() = default;

void Arguments::Positional(const std::string& name, std::string& target, const std::string& help,
                           Need need) {
  CLI::Option* option = app_->add_option(name, target);
  if (need == Need::kRequired) required_.push_back({option, name});
  positionals_.push_back({name, help, need});
}

void Arguments::Positionals(const std::string& name, std::vector<std::string>& target,
                            const std::string& help) {
  app_->add_option(name, target);
  positionals_.push_back({name + "…", help, Need::kOptional});
}

void Arguments::Text(const std::string& names, const std::string& value, std::string& target,
                     const std::string& help, Need need) {
  CLI::Option* option = app_->add_option(names, target)->take_last();
  if (need == Need::kRequired) required_.push_back({option, LongName(names) + " " + value});
  Describe({Shown(names, value), help, need});
}

void Arguments::Repeated(const std::string& names, const std::string& value,
                         std::vector<std::string>& target, const std::string& help) {
  app_->add_option(names, target)->allow_extra_args(false);
  Describe({Shown(names, value), help});
}

void Arguments::Flag(const std::string& names, bool& target, const std::string& help) {
  app_->add_flag(names, target)->take_last();
  Describe({Shown(names, ""), help});
}

void Arguments::Switch(const std::string& name, std::optional<bool>& target,
                       const std::string& help) {
  CLI::Option* option = app_->add_flag(fmt::format("--{0},!--no-{0}", name));
  option->take_last()->disable_flag_override();
  Describe({fmt::format("--[no-]{}", name), help});
  conversions_.push_back([option, &target]() -> absl::Status {
    if (option->count() > 0) target = option->results().back() == "true";
    return absl::OkStatus();
  });
}

template <typename Target, typename Convert>
void Arguments::AddConverted(const std::string& names, const std::string& value, Target& target,
                             const std::string& help, Convert convert) {
  CLI::Option* option = app_->add_option(names)->expected(1)->take_last();
  Describe({Shown(names, value), help});
  conversions_.push_back([option, convert, &target]() -> absl::Status {
    if (option->count() == 0) return absl::OkStatus();
    ASSIGN_OR_RETURN(target, convert(option->results().back()));
    return absl::OkStatus();
  });
}

void Arguments::Text(const std::string& names, const std::string& value,
                     std::optional<std::string>& target, const std::string& help) {
  AddConverted(names, value, target, help,
               [](const std::string& text) -> absl::StatusOr<std::string> { return text; });
}

void Arguments::Size(const std::string& names, uint64_t& target, const std::string& help) {
  AddConverted(names, "SIZE", target, help, ParseSize);
}
void Arguments::Size(const std::string& names, std::optional<uint64_t>& target,
                     const std::string& help) {
  AddConverted(names, "SIZE", target, help, ParseSize);
}

void Arguments::Duration(const std::string& names, std::optional<absl::Duration>& target,
                         const std::string& help) {
  AddConverted(names, "DURATION", target, help, ParseDuration);
}
void Arguments::TimeToLive(const std::string& names, std::optional<absl::Duration>& target,
                           const std::string& help) {
  AddConverted(names, "DURATION", target, help, ParseTimeToLive);
}

void Arguments::Number(const std::string& names, const std::string& value, uint64_t least,
                       std::optional<uint64_t>& target, const std::string& help) {
  AddConverted(names, value, target, help,
               [least, name = LongName(names)](const std::string& text) {
                 return ParseNumber(name, text, least);
               });
}

template <typename Target>
void Arguments::AddChoice(const std::string& names, const std::vector<std::string>& words,
                          Target& target, const std::string& help) {
  AddConverted(names, fmt::format("{}", fmt::join(words, "|")), target, help,
               [words, name = LongName(names)](const std::string& text) {
                 return ParseChoice(name, text, words);
               });
}
void Arguments::Choice(const std::string& names, const std::vector<std::string>& words,
                       std::string& target, const std::string& help) {
  AddChoice(names, words, target, help);
}
void Arguments::Choice(const std::string& names, const std::vector<std::string>& words,
                       std::optional<std::string>& target, const std::string& help) {
  AddChoice(names, words, target, help);
}

void Arguments::Pairs(const std::string& names, std::map<std::string, std::string>& target,
                      const std::string& help) {
  auto texts = std::make_shared<std::vector<std::string>>();  // shared: lives with the conversion
  Repeated(names, "KEY=VALUE", *texts, help);
  conversions_.push_back([texts, name = LongName(names), &target]() -> absl::Status {
    for (const std::string& text : *texts) RETURN_IF_ERROR(AddPair(name, text, target));
    return absl::OkStatus();
  });
}

void Arguments::PairList(const std::string& names, std::map<std::string, std::string>& target,
                         const std::string& help) {
  auto texts = std::make_shared<std::vector<std::string>>();  // shared: lives with the conversion
  Repeated(names, "KEY=VALUE,…", *texts, help);
  conversions_.push_back([texts, name = LongName(names), &target]() -> absl::Status {
    for (const std::string& text : *texts) {
      for (const absl::string_view pair : absl::StrSplit(text, ',')) {
        RETURN_IF_ERROR(AddPair(name, std::string(pair), target));
      }
    }
    return absl::OkStatus();
  });
}

void Arguments::Rest(const std::string& name, std::vector<std::string>& target,
                     const std::string& help, Need need) {
  rest_ = &target;
  rest_entry_ = {"-- " + name, help, need};
  positionals_.push_back(rest_entry_);
}

absl::Status Arguments::CheckUnknown() const {
  const std::vector<std::string> unknown = app_->remaining();
  if (unknown.empty()) return absl::OkStatus();
  const std::string& word = unknown.front();
  if (!word.starts_with('-')) return InvalidArgument("unexpected argument '{}'", word);
  std::vector<std::string> known;
  for (const CLI::Option* option : app_->get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  const absl::Status status = InvalidArgument("unknown option '{}'", word);
  const auto near = NearestWord(word.substr(0, word.find('=')), known);
  return near.has_value() ? WithHint(status, fmt::format("did you mean {}?", *near)) : status;
}

absl::Status Arguments::TakeRest(std::optional<std::vector<std::string>> rest) {
  if (rest_ == nullptr) {
    if (rest.has_value()) return InvalidArgument("this command takes nothing after '--'");
    return absl::OkStatus();
  }
  if (rest.has_value()) *rest_ = *std::move(rest);
  if (rest_->empty() && rest_entry_.need == Need::kRequired) {
    return InvalidArgument("'{}' is missing: put '--' before the command", rest_entry_.usage);
  }
  return absl::OkStatus();
}

absl::Status Arguments::Parse(const std::vector<std::string>& words,
                              std::optional<std::vector<std::string>> rest) {
  try {
    app_->parse(
        std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11 takes them reversed
  } catch (const CLI::ParseError& error) {
    return InvalidArgument("{}", error.what());
  }
  // A command typed without "--" shows up as unknown words: say that first.
  RETURN_IF_ERROR(TakeRest(std::move(rest)));
  RETURN_IF_ERROR(CheckUnknown());
  for (const Required& required : required_) {
    if (required.option->count() == 0) return InvalidArgument("{} is missing", required.usage);
  }
  for (const auto& conversion : conversions_) RETURN_IF_ERROR(conversion());
  return absl::OkStatus();
}

std::string Arguments::Usage() const {
  std::string usage;
  for (const Entry& entry : positionals_) {
    if (entry.usage == rest_entry_.usage) continue;
    usage += entry.need == Need::kRequired ? " " + entry.usage : " [" + entry.usage + "]";
  }
  for (const Entry& entry : options_) {
    if (entry.need == Need::kRequired) usage += " " + entry.usage;
  }
  usage += " [options]";
  if (rest_ != nullptr) {
    usage += rest_entry_.need == Need::kRequired ? " " + rest_entry_.usage
                                                 : " [" + rest_entry_.usage + "]";
  }
  return usage;
}

}  // namespace ember::cli
