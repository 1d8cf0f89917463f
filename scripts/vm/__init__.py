# SPDX-License-Identifier: GPL-2.0-only
"""The running system: the VM, the export daemon beside it and the way into the guest."""
