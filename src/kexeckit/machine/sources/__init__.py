"""Sources: what each kind of source shows, as a partial `Machine`. A new kind of source is a new file."""
