# SPDX-License-Identifier: GPL-2.0-only
"""Whether something grows with every round: a straight line by least squares through what was counted.

What is bounded may go up and down; what is lost in each round, and be it one thing, goes up
by one a round, however much the rest moves. The bound of each figure is half of the smallest
thing of its kind that a round could lose.
"""
import math

ROUNDS = 6      # fewer than these say nothing

# figure: (bound a round, unit, what it is)
PICTURE_KIB = 640 * 480 * 4 // 1024
BOUNDS = {
    "framebuffers": (0.5, "", "framebuffers in the guest's kernel"),
    "clients": (0.5, "", "open files of the card and its nodes"),
    "resources": (0.5, "", "resources and blobs in QEMU"),
    "contexts": (0.5, "", "virgl contexts in QEMU"),
    "broker_fds": (0.5, "", "descriptors of helix-leased"),
    "exportd_fds": (0.5, "", "descriptors of helix-exportd"),
    "qemu_fds": (0.5, "", "descriptors of QEMU"),
    "gpu_kib": (PICTURE_KIB / 2, "KiB", "host memory of resources, as QEMU counts it"),
    "shmem_kib": (PICTURE_KIB / 2, "KiB", "the guest's shared memory: buffers of the GPU, and its tmpfs"),
}
# What moves by more than one round could lose: to be looked at by people.
OTHERS = {
    "guest_files": "open files of the whole guest",
    "available_kib": "what the guest's kernel could still give away",
    "unreclaimable_kib": "slab of the guest's kernel that it cannot give back",
    "broker_kib": "memory of helix-leased",
    "exportd_kib": "anonymous memory of helix-exportd",
    "qemu_kib": "anonymous memory of QEMU, without the guest's and the next",
    "qemu_code_kib": "the guest's code as QEMU has translated it, and shaders",
    "fps": "frames a second of a desktop, as the guest draws them, median",
    "latency_p50_ms": "from the guest's flush to a whole frame at a viewer, median",
    "latency_p95_ms": "the same, of which 5 in 100 are later",
}


def line(values):
    """(slope, what it is uncertain by: one standard error) of values at 0, 1, 2, ..."""
    n = len(values)
    if n < 3:
        raise ValueError(f"{n} values make no line")
    middle, mean = (n - 1) / 2, sum(values) / n
    spread = sum((i - middle) ** 2 for i in range(n))
    slope = sum((i - middle) * (value - mean) for i, value in enumerate(values)) / spread
    rest = sum((value - mean - slope * (i - middle)) ** 2 for i, value in enumerate(values))
    return slope, math.sqrt(rest / (n - 2) / spread)


def leaks(samples, bounds=BOUNDS, rounds=ROUNDS):
    """[(figure, slope, error, bound, it leaks)]: it does when even the slope less two errors is beyond the bound.

    So one that is lost in each round is found once there are enough rounds for what else moves,
    and what moves alone is not taken for a leak.
    """
    found = []
    for name, (bound, _unit, _what) in bounds.items():
        values = [sample[name] for sample in samples if sample.get(name) is not None]
        if len(values) < rounds:
            continue
        slope, error = line(values)
        found.append((name, slope, error, bound, slope - 2 * error > bound))
    return found


def table(rows, bounds=BOUNDS):
    return "\n".join(f"{name:14} {slope:+9.3f} ± {error:.3f} {bounds[name][1] or 'each'} a round, bound {bound:g}"
                     f"{': LEAKS' if bad else ''}" for name, slope, error, bound, bad in rows)
