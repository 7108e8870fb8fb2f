"""What else lowers the number of inputs per unit: dictionaries that an SAE has to beat."""
