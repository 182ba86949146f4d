"""Where a run goes. Every backend answers the same few questions and passes the same suite."""
