"""Cases: what a regulator does about alerts, from the first look to the measure and its effect."""
