/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piix4_pm - what the toolstack may ask of the power management function.
 */
#ifndef HW_CHIPSET_PIIX4_PM_H
#define HW_CHIPSET_PIIX4_PM_H

#include <stdbool.h>

struct device;

#define PIIX4_PM_VCPUS 256u

/* A vCPU became present: sets its bit in the bitmap and raises the CPU hotplug event. `d` is the
 * piix4_pm device, outside any of its handlers. 0, also if it was present already; -EINVAL if vcpu
 * is not below PIIX4_PM_VCPUS. */
int piix4_pm_plug_cpu(struct device *d, unsigned vcpu);

/* Its bit in the bitmap is set. */
bool piix4_pm_cpu_present(const struct device *d, unsigned vcpu);

#endif
