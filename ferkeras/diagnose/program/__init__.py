"""Why a Keras classifier of somebody else's program does not learn."""
