#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace ember::images {

// SHA-256 over bytes as they come. Movable. Not thread-safe.
class Sha256 {
 public:
  Sha256();

  void Add(std::string_view bytes);

  // "sha256:<64 hex digits>"; nothing may follow.
  std::string Finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace ember::images
