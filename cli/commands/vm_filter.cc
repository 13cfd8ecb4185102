#include "cli/commands/vm_filter.h"

#include "base/status.h"
#include "base/status_macros.h"
#include "cli/suggestion.h"
#include "cli/typed_value.h"
#include "cli/words.h"

namespace ember::cli {
namespace {

absl::Status AddState(std::string_view name, const std::string& word, v1::ListVmsRequest& request) {
  ASSIGN_OR_RETURN(const std::string state, ParseChoice(name, word, StateWords()));
  request.add_states(StateOf(state));
  return absl::OkStatus();
}

// `label` is "KEY" or "KEY=VALUE". The request has one value a key, and an empty one means any.
absl::Status AddLabel(const std::string& label, v1::ListVmsRequest& request) {
  const size_t equals = label.find('=');
  const std::string key = label.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : label.substr(equals + 1);
  if (key.empty()) return InvalidArgument("--filter 'label={}' names no label", label);
  if (equals != std::string::npos && value.empty()) {
    return WithHint(InvalidArgument("--filter 'label={}': an empty value is not a filter", label),
                    fmt::format("'label={}' finds the label whatever its value", key));
  }
  std::string& known = (*request.mutable_labels())[key];
  if (!known.empty() && !value.empty() && known != value) {
    return InvalidArgument("label '{}' can't be '{}' and '{}' at the same time", key, known, value);
  }
  if (!value.empty()) known = value;
  return absl::OkStatus();
}

absl::Status AddFilter(const std::string& filter, v1::ListVmsRequest& request) {
  const size_t equals = filter.find('=');
  const std::string key = filter.substr(0, equals);
  if (equals != std::string::npos && key == "label") {
    return AddLabel(filter.substr(equals + 1), request);
  }
  if (equals != std::string::npos && key == "status") {
    return AddState("--filter status", filter.substr(equals + 1), request);
  }
  const auto near = NearestWord(key, {"label", "status"});
  return WithHint(
      InvalidArgument("--filter '{}' is none of label=KEY, label=KEY=VALUE, status=STATE", filter),
      near.has_value() ? fmt::format("did you mean '{}='?", *near)
                       : "for example --filter label=team=core, or --filter status=running");
}

}  // namespace

absl::StatusOr<v1::ListVmsRequest> ListRequestOf(const std::vector<std::string>& filters,
                                                 const std::vector<std::string>& statuses) {
  v1::ListVmsRequest request;
  for (const std::string& filter : filters) RETURN_IF_ERROR(AddFilter(filter, request));
  for (const std::string& status : statuses) RETURN_IF_ERROR(AddState("--status", status, request));
  return request;
}

}  // namespace ember::cli
