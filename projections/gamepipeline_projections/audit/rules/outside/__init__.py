"""Rules that hold a history against what others saw. Without that evidence they find nothing."""
