"""Models, and the file that holds one."""
