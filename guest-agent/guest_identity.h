#pragma once

#include <string>

// Facts about the system that the agent runs in.
namespace ember::agent {

// /proc/sys/kernel/random/boot_id; empty where it can't be read.
std::string BootId();

std::string Hostname();

// From /proc/uptime, else the time since the kernel's start that the clock gives.
double UptimeSeconds();

}  // namespace ember::agent
