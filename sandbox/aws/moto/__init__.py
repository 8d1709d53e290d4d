"""The parts that change, read or fill moto's internal state."""
