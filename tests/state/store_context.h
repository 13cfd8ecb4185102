#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "state/store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ember::state {

// A store in a directory of its own, with the verbs that tests of it share.
struct StoreContext {
  explicit StoreContext(StoreOptions with = {}) : options(std::move(with)) { Reopen(); }

  void Close() { store.reset(); }
  void Reopen() {
    Close();
    store = testing::ValueOf(Store::Open(dir.path(), options));
  }
  // Closes the store and opens its file past it.
  std::unique_ptr<Database> OpenRaw() {
    Close();
    auto database = testing::ValueOf(Database::Open(path()));
    REQUIRE_OK(database->Trust());
    return database;
  }
  std::filesystem::path path() const { return dir / "state.db"; }

  VmRecord Create(std::string_view name) {
    NewVm vm;
    vm.name = name;
    vm.config.image = "debian";
    CreateResult result = testing::ValueOf(store->CreateVm(vm));
    REQUIRE(result.kind == CreateResult::Kind::kMade);
    return result.vm;
  }
  void Delete(const VmRecord& vm) {
    REQUIRE_OK(store->SetState(vm.id, To(VmState::kDeleting)));
    REQUIRE_OK(store->DeleteVm(vm.id, ""));
  }
  static Change To(VmState state, std::string message = "") {
    return {.state = state, .message = std::move(message), .kind = ""};
  }
  static MachineRow Intent(std::string machine_id) {
    MachineRow machine;
    machine.machine_id = std::move(machine_id);
    machine.host_boot_id = "boot-1";
    machine.backend = "qemu";
    return machine;
  }

  testing::TempDir dir;
  StoreOptions options;  // of the next Reopen
  std::unique_ptr<Store> store;
};

}  // namespace ember::state
