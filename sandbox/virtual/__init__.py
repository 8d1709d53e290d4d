"""Everything around Surefoot in one process and under one clock that waits for nobody."""
