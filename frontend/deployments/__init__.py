"""The pages of deployments and aliases: where models are, what may go there, who may use them."""
