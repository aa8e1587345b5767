"""The entropy nobody knows: estimating KL divergence from samples: the functions of the chapter `estimation`, in the order they are taught and with its letters."""
