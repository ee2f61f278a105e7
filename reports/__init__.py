"""What was found: reads records and renders them; imports nothing from ``strategies`` or ``verify``."""
