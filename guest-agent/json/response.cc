#include "guest-agent/json/response.h"

namespace ember::agent {

std::string TextOf(const Response& response) {
  return response.dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
}

}  // namespace ember::agent
