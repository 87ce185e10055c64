"""Why a training does not learn: one probe a cause, each on measurements of its own."""
