import drover


@drover.deployment
class Echo:
    """Gives back what it is given: what is left is what every request costs."""

    def echo(self, value: object) -> object:
        return value

    async def echo_async(self, value: object) -> object:
        return value
