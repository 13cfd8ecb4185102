// The part of FakeImages that is about kernels.
#include "tests/cli/fake_images.h"

namespace ember::testing {

grpc::Status FakeImages::GetKernel(Context*, const v1::GetKernelRequest* request,
                                   v1::Kernel* kernel) {
  if (request->name() == "gone") return {grpc::NOT_FOUND, "kernel 'gone' does not exist"};
  kernel->set_name(request->name());
  kernel->set_version("6.6.6-test");
  kernel->set_source("url:https://example.org/vmlinuz");
  kernel->set_pvh(true);
  const auto add = [kernel](const char* name, v1::Kernel::Driver::Place place) {
    v1::Kernel::Driver* driver = kernel->add_drivers();
    driver->set_name(name);
    driver->set_place(place);
  };
  add("virtio_blk", v1::Kernel::Driver::MODULE);
  add("ext4", v1::Kernel::Driver::BUILT_IN);
  add("virtio_mmio", v1::Kernel::Driver::ABSENT);
  add("virtio_net", v1::Kernel::Driver::UNKNOWN);
  kernel->add_missing("firecracker: no driver 'virtio_mmio'");
  return grpc::Status::OK;
}

grpc::Status FakeImages::SetDefaultKernel(Context* context,
                                          const v1::SetDefaultKernelRequest* request,
                                          v1::Kernel* kernel) {
  v1::GetKernelRequest get;
  get.set_name(request->name());
  const grpc::Status found = GetKernel(context, &get, kernel);
  if (found.ok()) kernel->set_is_default(true);
  return found;
}

}  // namespace ember::testing
