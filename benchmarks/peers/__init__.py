"""The same ping/pong loop as its users write it with what they would pick instead."""
