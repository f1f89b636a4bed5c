"""Kill -9, full disks, damaged files and strangers: what must hold whatever happens (docs/reliability.md)."""
