"""The sizes that Fargate offers to Linux tasks.

Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size,
read 2025. 8 and 16 vCPU need platform version 1.4.0.
"""

from contracts.optimizer import FargateSize

_GB = 1024

MEMORIES: dict[int, tuple[int, ...]] = {
    256: (512, 1 * _GB, 2 * _GB),
    512: tuple(range(1 * _GB, 4 * _GB + 1, _GB)),
    1024: tuple(range(2 * _GB, 8 * _GB + 1, _GB)),
    2048: tuple(range(4 * _GB, 16 * _GB + 1, _GB)),
    4096: tuple(range(8 * _GB, 30 * _GB + 1, _GB)),
    8192: tuple(range(16 * _GB, 60 * _GB + 1, 4 * _GB)),
    16384: tuple(range(32 * _GB, 120 * _GB + 1, 8 * _GB)),
}
"""CPU units → the sizes of memory, in MiB, that Fargate offers with them."""


def smallest(cpu: float, memory: float) -> FargateSize | None:
    """Return the smallest size with at least ``cpu`` units and ``memory`` MiB; None if there is none so large.

    The least memory that Fargate offers grows with the CPU, so the first size that fits is the smallest in both.
    """
    for units, memories in MEMORIES.items():
        for mebibytes in memories:
            if units >= cpu and mebibytes >= memory:
                return FargateSize(cpu=units, memory=mebibytes)
    return None
