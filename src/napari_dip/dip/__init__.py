"""Deep Image Prior: what a run does before, during and after the fit."""
