#include "state/installation.h"

#include "base/file.h"
#include "base/status.h"
#include "state/meta_table.h"

namespace ember::state {
namespace {

constexpr std::string_view kId = "installation_id";
constexpr std::string_view kSubnet = "subnet";

absl::StatusOr<std::string> EnsureId(MetaTable& meta) {
  ASSIGN_OR_RETURN(std::optional<std::string> stored, meta.Get(kId));
  if (stored.has_value()) return *std::move(stored);
  ASSIGN_OR_RETURN(std::string fresh, RandomUuid());
  RETURN_IF_ERROR(meta.Set(kId, fresh));
  return fresh;
}

absl::Status CheckNoneLeased(Database& database, const Subnet& stored, const Subnet& wanted) {
  ASSIGN_OR_RETURN(const int64_t leased,
                   database.QueryInt64("SELECT EXISTS (SELECT 1 FROM address_lease)"));
  if (leased == 0) return absl::OkStatus();
  return WithReason(
      WithHint(FailedPrecondition("subnet mismatch: state has '{}', requested '{}'",
                                  stored.ToString(), wanted.ToString()),
               fmt::format("start the daemon with the subnet it has ({}), or delete all VMs before "
                           "changing it",
                           stored.ToString())),
      "SUBNET_MISMATCH");
}

absl::StatusOr<Subnet> EnsureSubnet(Database& database, MetaTable& meta,
                                    const std::optional<Subnet>& wanted) {
  ASSIGN_OR_RETURN(const std::optional<std::string> text, meta.Get(kSubnet));
  if (!text.has_value()) {
    const Subnet first = wanted.value_or(Subnet::Default());
    RETURN_IF_ERROR(meta.Set(kSubnet, first.ToString()));
    return first;
  }
  const absl::StatusOr<Subnet> stored = Subnet::Parse(*text);
  if (!stored.ok()) return Annotate(stored.status(), database.path().native());
  if (!wanted.has_value() || *wanted == *stored) return *stored;
  RETURN_IF_ERROR(CheckNoneLeased(database, *stored, *wanted));
  RETURN_IF_ERROR(meta.Set(kSubnet, wanted->ToString()));
  return *wanted;
}

}  // namespace

absl::StatusOr<Installation> EnsureInstallation(Database& database,
                                                const std::optional<Subnet>& wanted) {
  MetaTable meta(database);
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database));
  ASSIGN_OR_RETURN(std::string id, EnsureId(meta));
  ASSIGN_OR_RETURN(const Subnet subnet, EnsureSubnet(database, meta, wanted));
  RETURN_IF_ERROR(transaction.Commit());
  return Installation{.id = std::move(id), .subnet = subnet};
}

}  // namespace ember::state
