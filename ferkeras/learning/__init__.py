"""How it learns: class weights, samplers and the assembly of one fit."""
