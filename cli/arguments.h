#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace ember::cli {

enum class Need { kRequired, kOptional };

// What one command accepts, declared one by one and then filled in by Parse. The targets are
// borrowed and must live until then; those that are not given keep their values. Not thread-safe.
class Arguments {
 public:
  // One entry of the help: what is typed and what it means.
  struct Entry {
    std::string usage;
    std::string help;
    Need need = Need::kOptional;
  };

  Arguments();
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;
  ~Arguments();

  void Positional(const std::string& name, std::string& target, const std::string& help,
                  Need need = Need::kRequired);
  // Any number of them, the last of a command's positionals.
  void Positionals(const std::string& name, std::vector<std::string>& target,
                   const std::string& help);
  // `names` as "--image" or "-t,--tty"; `value` is what the help calls the value.
  void Text(const std::string& names, const std::string& value, std::string& target,
            const std::string& help, Need need = Need::kOptional);
  // The same where an empty text is something else than none.
  void Text(const std::string& names, const std::string& value, std::optional<std::string>& target,
            const std::string& help);
  void Repeated(const std::string& names, const std::string& value,
                std::vector<std::string>& target, const std::string& help);
  void Flag(const std::string& names, bool& target, const std::string& help);
  // "--NAME" and "--no-NAME"; the last one given counts. `name` is without dashes.
  void Switch(const std::string& name, std::optional<bool>& target, const std::string& help);
  // A size with its unit (base/size.h), in bytes.
  void Size(const std::string& names, uint64_t& target, const std::string& help);
  void Size(const std::string& names, std::optional<uint64_t>& target, const std::string& help);
  // cli/duration.h.
  void Duration(const std::string& names, std::optional<absl::Duration>& target,
                const std::string& help);
  void TimeToLive(const std::string& names, std::optional<absl::Duration>& target,
                  const std::string& help);
  // A whole number from `least` to 2^63.
  void Number(const std::string& names, const std::string& value, uint64_t least,
              std::optional<uint64_t>& target, const std::string& help);
  // One of `words`.
  void Choice(const std::string& names, const std::vector<std::string>& words, std::string& target,
              const std::string& help);
  void Choice(const std::string& names, const std::vector<std::string>& words,
              std::optional<std::string>& target, const std::string& help);
  // "KEY=VALUE" each; a later one of the same key wins.
  void Pairs(const std::string& names, std::map<std::string, std::string>& target,
             const std::string& help);
  // "KEY=VALUE,KEY=VALUE": the same in one argument, for values that hold no comma.
  void PairList(const std::string& names, std::map<std::string, std::string>& target,
                const std::string& help);
  // Everything after "--", which must then be there when it is required.
  void Rest(const std::string& name, std::vector<std::string>& target, const std::string& help,
            Need need = Need::kRequired);
  // Options declared from now on are listed under "Global options".
  void BeginGlobal() { global_ = true; }

  // Fills in the targets. `rest` is what came after "--", if that came. InvalidArgument says which
  // argument is wrong and what is accepted.
  absl::Status Parse(const std::vector<std::string>& words,
                     std::optional<std::vector<std::string>> rest);

  // "NAME [options] -- CMD…": what comes after the command's own words.
  std::string Usage() const;
  const std::vector<Entry>& positionals() const { return positionals_; }
  const std::vector<Entry>& options() const { return options_; }
  const std::vector<Entry>& global_options() const { return global_options_; }

 private:
  struct Required {
    CLI::Option* option;
    std::string usage;
  };

  // Declares an option whose last text `convert` turns into `target`, if it is given at all.
  template <typename Target, typename Convert>
  void AddConverted(const std::string& names, const std::string& value, Target& target,
                    const std::string& help, Convert convert);
  template <typename Target>
  void AddChoice(const std::string& names, const std::vector<std::string>& words, Target& target,
                 const std::string& help);
  void Describe(Entry entry) { (global_ ? global_options_ : options_).push_back(std::move(entry)); }
  absl::Status CheckUnknown() const;
  absl::Status TakeRest(std::optional<std::vector<std::string>> rest);

  std::unique_ptr<CLI::App> app_;
  std::vector<Entry> positionals_;
  std::vector<Entry> options_;
  std::vector<Entry> global_options_;
  std::vector<Required> required_;
  std::vector<std::function<absl::Status()>> conversions_;  // run after parsing, in order
  std::vector<std::string>* rest_ = nullptr;
  Entry rest_entry_;
  bool global_ = false;
};

}  // namespace ember::cli
