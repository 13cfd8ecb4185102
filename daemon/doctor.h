#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/cancellation.h"
#include "daemon/catalog.h"
#include "daemon/vm_lifecycle.h"

namespace ember::daemon {

enum class DoctorVerdict {
  kOk,
  kWarning,  // works, with a drawback
  kProblem,  // something will not work
};

struct DoctorCheck {
  std::string name;  // "kvm", "qemu", "clones", ...
  DoctorVerdict verdict = DoctorVerdict::kOk;
  std::string finding;  // one line
  std::string remedy;   // what to type; empty when there is nothing to do

  friend bool operator==(const DoctorCheck&, const DoctorCheck&) = default;
};

// Looks at everything that VMs on this host need: backends, tools, the filesystem, kernels and
// images. Blocks within `cancellation` (a first probe of KVM takes some seconds).
class Doctor {
 public:
  struct Subject {
    std::filesystem::path state_dir;
    std::string volume_store;  // name of the one in use
    BackendMap& backends;      // outlives the doctor
    Catalog& catalog;          // outlives the doctor
  };

  explicit Doctor(Subject subject) : subject_(std::move(subject)) {}

  std::vector<DoctorCheck> Examine(const Cancellation& cancellation) const;

 private:
  DoctorCheck ExamineSpace() const;
  DoctorCheck ExamineClones() const;
  DoctorCheck ExamineCatalog() const;

  const Subject subject_;
};

}  // namespace ember::daemon
