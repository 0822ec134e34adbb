"""Files of a workspace that outlive their step: chosen, packed, stored, brought back, and removed in time."""
