"""Pure: diagnostics and log text become one probable cause with its evidence and a remedy."""
